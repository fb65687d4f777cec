import { render } from 'preact'
import { App } from './app.js'
import './style.css'
import { applyTheme } from './theme.js'

applyTheme()
const root = document.getElementById('page')
if (root) render(<App />, root)
